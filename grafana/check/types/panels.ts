// Every type of panel that the dashboards use, with the options that the package declares for it.
// An option that has a default may be left out; one that does not exist is refused.

import type * as schema from '@grafana/schema';
import type * as barchart from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as dashlist from '@grafana/schema/dist/esm/raw/composable/dashboardlist/panelcfg/x/DashboardListPanelCfg_types.gen';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as histogram from '@grafana/schema/dist/esm/raw/composable/histogram/panelcfg/x/HistogramPanelCfg_types.gen';
import type * as logs from '@grafana/schema/dist/esm/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen';
import type * as nodegraph from '@grafana/schema/dist/esm/raw/composable/nodegraph/panelcfg/x/NodeGraphPanelCfg_types.gen';
import type * as piechart from '@grafana/schema/dist/esm/raw/composable/piechart/panelcfg/x/PieChartPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as stateTimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as statusHistory from '@grafana/schema/dist/esm/raw/composable/statushistory/panelcfg/x/StatusHistoryPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as trend from '@grafana/schema/dist/esm/raw/composable/trend/panelcfg/x/TrendPanelCfg_types.gen';
import type * as xychart from '@grafana/schema/dist/esm/raw/composable/xychart/panelcfg/x/XYChartPanelCfg_types.gen';

import type { DataLink, FieldOptions } from './fields';
import type { Plain } from './plain';
import type { DataQuery, Mixed, OtherPanel, OurSource } from './queries';
import type { Transformation } from './transformations';

type Retyped =
  | 'type'
  | 'id'
  | 'title'
  | 'gridPos'
  | 'datasource'
  | 'targets'
  | 'links'
  | 'transformations'
  | 'options'
  | 'fieldConfig'
  | 'libraryPanel'
  | 'autoMigrateFrom';

interface Common extends Plain<Omit<schema.Panel, Retyped>> {
  id: number;
  title: string;
  gridPos: Plain<schema.GridPos>;
  links?: DataLink[];
}

type Shown<Type extends string, Options, Own = never> = Common & {
  type: Type;
  datasource: OurSource | Mixed | OtherPanel;
  targets: DataQuery[];
  transformations?: Transformation[];
  options: Partial<Plain<Options>>;
  fieldConfig: FieldOptions<Own>;
};

/** public/app/plugins/panel/traces/TracesPanel.tsx; not in the package. */
interface TracesOptions {
  focusedSpanId?: string;
}

/** public/app/plugins/panel/alertlist/types.ts; not in the package. */
interface AlertListOptions {
  viewMode: 'list' | 'stat';
  groupMode: 'default' | 'custom';
  groupBy: string[];
  maxItems: number;
  sortOrder: 1 | 2 | 3 | 4 | 5;
  dashboardAlerts: boolean;
  alertName: string;
  alertInstanceLabelFilter: string;
  datasource: string;
  folder: { uid: string; title: string } | null;
  showInstances: boolean;
  showInactiveAlerts: boolean;
  stateFilter: {
    firing: boolean;
    pending: boolean;
    recovering?: boolean;
    noData: boolean;
    normal: boolean;
    error: boolean;
  };
}

/** Panels that ask nobody. */
type Asking = { datasource?: undefined; targets?: undefined; fieldConfig?: undefined };
type Text = Common & Asking & { type: 'text'; options: Partial<Plain<text.Options>> };
type DashboardList = Common &
  Asking & { type: 'dashlist'; options: Partial<Plain<dashlist.Options>> };
type AlertList = Common & Asking & { type: 'alertlist'; options: Partial<AlertListOptions> };

export type Panel =
  | Shown<'barchart', barchart.Options, barchart.FieldConfig>
  | Shown<'bargauge', bargauge.Options>
  | Shown<'gauge', gauge.Options>
  | Shown<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | Shown<'histogram', histogram.Options, histogram.FieldConfig>
  | Shown<'logs', logs.Options>
  | Shown<'nodeGraph', nodegraph.Options>
  | Shown<'piechart', piechart.Options, piechart.FieldConfig>
  | Shown<'stat', stat.Options>
  | Shown<'state-timeline', stateTimeline.Options, stateTimeline.FieldConfig>
  | Shown<'status-history', statusHistory.Options, statusHistory.FieldConfig>
  | Shown<'table', table.Options, table.FieldConfig>
  | Shown<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | Shown<'traces', TracesOptions>
  | Shown<'trend', trend.Options, trend.FieldConfig>
  | Shown<'xychart', xychart.Options, xychart.FieldConfig>
  | Text
  | DashboardList
  | AlertList;

export interface Row {
  type: 'row';
  id: number;
  title: string;
  collapsed: boolean;
  gridPos: Plain<schema.GridPos>;
  panels: Panel[];
  repeat?: string;
}
