// Template variables by type. The package has one type for all, whose `query` may be anything.

import type * as schema from '@grafana/schema';
import type { Exclusive, Plain } from './plain';
import type { Loki, Postgresql, Prometheus, Tempo } from './queries';

interface Common {
  name: string;
  label?: string;
  description?: string;
  hide?: Plain<schema.VariableModel['hide']>;
  skipUrlSync?: boolean;
  current?: Plain<schema.VariableOption> | Record<string, never>;
  options?: Array<Plain<schema.VariableOption>>;
}

interface Chosen extends Common {
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string;
  allowCustomValue?: boolean;
}

interface Asked<Source, Query> extends Chosen {
  type: 'query';
  datasource: Source;
  query: Query;
  /** The query as text; Grafana's list of variables shows it. */
  definition?: string;
  refresh: Plain<schema.VariableRefresh>;
  regex?: string;
  regexApplyTo?: 'value' | 'text';
  sort?: Plain<schema.VariableSort>;
  staticOptions?: Array<Plain<schema.VariableOption>>;
  staticOptionsOrder?: 'before' | 'after' | 'sorted';
}

interface PrometheusQuery {
  query: string;
  refId: string;
  /** 0 names of labels, 1 values, 2 metrics, 3 a query's result, 4 series, 5 as typed. */
  qryType?: 0 | 1 | 2 | 3 | 4 | 5;
}

interface LokiQuery {
  refId: string;
  type: 0 | 1;
  label?: string;
  stream?: string;
}

interface Textbox extends Common {
  type: 'textbox';
  query: string;
}

interface Custom extends Chosen {
  type: 'custom';
  query: string;
  valuesFormat?: 'csv' | 'json';
}

interface Constant extends Common {
  type: 'constant';
  query: string;
}

interface Interval extends Common {
  type: 'interval';
  query: string;
  auto?: boolean;
  auto_count?: number;
  auto_min?: string;
  refresh?: Plain<schema.VariableRefresh>;
}

export type Variable = Exclusive<
  | Asked<Postgresql, string>
  | Asked<Prometheus, PrometheusQuery>
  | Asked<Loki, LokiQuery>
  | Asked<Tempo, LokiQuery>
  | Textbox
  | Custom
  | Constant
  | Interval
>;
