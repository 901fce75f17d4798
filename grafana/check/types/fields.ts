// How fields are shown: the standard options and each panel's own, as defaults and as overrides.

import type * as schema from '@grafana/schema';
import type { OurUid } from './queries';
import type { Plain } from './plain';
import type { Reducer } from './transformations';

/** packages/grafana-data/src/types/dataLink.ts, as a dashboard stores it. */
export interface DataLink {
  title: string;
  url: string;
  targetBlank?: boolean;
  oneClick?: boolean;
  /** Opens Explore instead; `url` is then empty. */
  internal?: {
    datasourceUid: OurUid;
    datasourceName: string;
    query: Record<string, unknown>;
    panelsState?: { trace?: { spanId: string } };
  };
}

/** The package leaves links untyped, and does not have `fieldMinMax`. */
type Standard = Plain<
  Omit<schema.FieldConfig, 'custom' | 'links' | 'actions' | 'path' | 'writeable'>
> & { links?: DataLink[]; fieldMinMax?: boolean };

/** A panel without options of its own may say so. */
type Custom<Own> = [Own] extends [never] ? Record<string, never> : Partial<Plain<Own>>;

type StandardId =
  | 'unit'
  | 'min'
  | 'max'
  | 'decimals'
  | 'displayName'
  | 'color'
  | 'noValue'
  | 'links'
  | 'mappings'
  | 'thresholds'
  | 'filterable'
  | 'fieldMinMax';

type StandardProperty = {
  [Id in StandardId]: { id: Id; value: NonNullable<Standard[Id]> };
}[StandardId];

type OwnProperty<Own> = {
  [Key in keyof Own & string]-?: {
    id: `custom.${Key}`;
    value: NonNullable<Plain<Own[Key]>>;
  };
}[keyof Own & string];

/** Options that a panel registers one level down. */
type NestedProperty =
  | { id: 'custom.hideFrom.viz'; value: boolean }
  | { id: 'custom.footer.reducers'; value: Reducer[] }
  | { id: 'custom.tooltip.field'; value: string }
  | { id: 'custom.tooltip.placement'; value: 'auto' | 'top' | 'right' | 'bottom' | 'left' };

type ValueOperation = 'eq' | 'neq' | 'gt' | 'gte' | 'lt' | 'lte';

/** packages/grafana-data/src/transformations/matchers/ids.ts */
export type Matcher =
  | { id: 'byName' | 'byRegexp' | 'byFrameRefID'; options: string }
  | { id: 'byType'; options: 'time' | 'number' | 'string' | 'boolean' | 'enum' | 'other' }
  | { id: 'byNames'; options: { mode?: 'exclude' | 'include'; names: string[] } }
  | { id: 'byValue'; options: { reducer: Reducer; op: ValueOperation; value: number } }
  | { id: 'numeric' };

export interface FieldOptions<Own> {
  defaults: Standard & { custom?: Custom<Own> };
  overrides: Array<{
    matcher: Matcher;
    properties: Array<
      StandardProperty | ([Own] extends [never] ? never : OwnProperty<Own> | NestedProperty)
    >;
  }>;
}
