// The queries of panels, one type for each data source that is provisioned. The package has none
// of these; they follow grafana/grafana: packages/grafana-sql/src/types.ts,
// packages/grafana-prometheus/src/dataquery.ts, and dataquery.ts of the Loki and Tempo plugins.

import type { Exclusive } from './plain';

export type Postgresql = {
  type: 'grafana-postgresql-datasource';
  uid: 'payment-monitor-postgresql';
};
export type Prometheus = { type: 'prometheus'; uid: 'payment-monitor-prometheus' };
export type Loki = { type: 'loki'; uid: 'payment-monitor-loki' };
export type Tempo = { type: 'tempo'; uid: 'payment-monitor-tempo' };

/** Grafana's own: a panel whose queries name their data sources, and another panel's result. */
export type Mixed = { type: 'datasource'; uid: '-- Mixed --' };
export type OtherPanel = { type: 'datasource'; uid: '-- Dashboard --' };
export type BuiltIn = { type: 'grafana'; uid: '-- Grafana --' };
export type Expression = { type: '__expr__'; uid: '__expr__' };

export type OurSource = Postgresql | Prometheus | Loki | Tempo;
export type OurUid = OurSource['uid'];

interface Query<Source> {
  datasource: Source;
  refId: string;
  hide?: boolean;
}

export interface SqlQuery extends Query<Postgresql> {
  rawSql: string;
  rawQuery: true;
  editorMode: 'code';
  format: 'table' | 'time_series';
}

export interface PromQuery extends Query<Prometheus> {
  expr: string;
  editorMode?: 'code';
  range?: boolean;
  instant?: boolean;
  format?: 'time_series' | 'table' | 'heatmap';
  legendFormat?: string;
  interval?: string;
  intervalFactor?: number;
  exemplar?: boolean;
}

export interface LokiQuery extends Query<Loki> {
  expr: string;
  queryType: 'range' | 'instant';
  editorMode?: 'code';
  legendFormat?: string;
  maxLines?: number;
  step?: string;
  direction?: 'backward' | 'forward' | 'scan';
}

export interface TempoFilter {
  id: string;
  tag?: string;
  operator?: string;
  scope?: 'intrinsic' | 'resource' | 'span' | 'event' | 'instrumentation' | 'link' | 'unscoped';
  value?: string | string[];
  valueType?: string;
  isCustomValue?: boolean;
}

/** `traceql` takes a query or a trace's id. */
export interface TempoQuery extends Query<Tempo> {
  queryType: 'traceql' | 'traceqlSearch' | 'traceId' | 'serviceMap';
  query?: string;
  filters?: TempoFilter[];
  limit?: number;
  spss?: number;
  tableType?: 'traces' | 'spans' | 'raw';
  metricsQueryType?: 'range' | 'instant';
  step?: string;
  exemplars?: number;
  serviceMapQuery?: string | string[];
}

export interface OtherPanelQuery extends Query<OtherPanel> {
  panelId: number;
  withTransforms?: boolean;
  topic?: 'annotations';
}

export interface MathQuery extends Query<Expression> {
  type: 'math';
  expression: string;
}

export interface ReduceQuery extends Query<Expression> {
  type: 'reduce';
  expression: string;
  reducer: 'mean' | 'min' | 'max' | 'sum' | 'count' | 'last' | 'median';
  settings?: { mode: '' | 'dropNN' } | { mode: 'replaceNN'; replaceWithValue: number };
}

export type DataQuery = Exclusive<
  SqlQuery | PromQuery | LokiQuery | TempoQuery | OtherPanelQuery | MathQuery | ReduceQuery
>;
