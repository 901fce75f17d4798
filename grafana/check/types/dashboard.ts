// A whole dashboard as its file holds it: the package's `Dashboard`, with panels, variables and
// annotations typed one by one. check.js assigns every file to this.

import type * as schema from '@grafana/schema';
import type { Panel, Row } from './panels';
import type { Exclusive, Plain } from './plain';
import type {
  BuiltIn,
  Loki,
  LokiQuery,
  OurSource,
  Postgresql,
  PromQuery,
  Prometheus,
  SqlQuery,
  Tempo,
  TempoQuery,
} from './queries';
import type { Variable } from './variables';

interface Annotation {
  name: string;
  enable: boolean;
  iconColor: string;
  hide?: boolean;
  filter?: Plain<schema.AnnotationPanelFilter>;
  placement?: 'inControlsMenu';
}

/** Grafana puts it there when it is missing. */
interface BuiltInAnnotation extends Annotation {
  builtIn: 1;
  datasource: BuiltIn;
  type: 'dashboard';
  target?: Plain<schema.AnnotationTarget>;
}

/** packages/grafana-data/src/types/annotations.ts */
type Mapped = 'time' | 'timeEnd' | 'title' | 'text' | 'tags' | 'id' | 'color';
type Mapping = { source?: 'field' | 'text' | 'skip'; value?: string; regex?: string };

/** A target is asked of the annotation's data source, and needn't name it again. */
type Target<Query> = Omit<Query, 'datasource'> & Partial<Pick<Query & Named, 'datasource'>>;
type Named = { datasource: OurSource };

interface Asking<Source, Query> extends Annotation {
  datasource: Source;
  target: Target<Query>;
  mappings?: { [Field in Mapped]?: Mapping };
}

/** packages/grafana-prometheus/src/annotations.ts */
interface PromAnnotation extends Asking<Prometheus, PromQuery> {
  tagKeys?: string;
  titleFormat?: string;
  textFormat?: string;
  useValueForTime?: boolean;
}

/** The plugin reads what it asks beside `target`. */
interface LokiAnnotation extends Asking<Loki, LokiQuery> {
  expr: string;
  maxLines?: number;
  instant?: boolean;
  tagKeys?: string;
  titleFormat?: string;
  textFormat?: string;
}

type AnyAnnotation =
  | BuiltInAnnotation
  | Asking<Postgresql, SqlQuery>
  | PromAnnotation
  | LokiAnnotation
  | Asking<Tempo, TempoQuery>;

type Retyped =
  | 'id'
  | 'uid'
  | 'title'
  | 'description'
  | 'schemaVersion'
  | 'timezone'
  | 'tags'
  | 'time'
  | 'panels'
  | 'templating'
  | 'annotations'
  | 'snapshot'
  | 'gnetId'
  | 'revision';

export interface Dashboard extends Plain<Omit<schema.Dashboard, Retyped>> {
  id: null;
  uid: string;
  title: string;
  description: string;
  schemaVersion: 42;
  timezone: 'utc';
  tags: string[];
  time: { from: string; to: string };
  panels: Array<Panel | Row>;
  templating: { list: Variable[] };
  annotations: { list: Array<Exclusive<AnyAnnotation>> };
}
