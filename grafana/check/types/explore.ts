// What a link to Explore opens, as `panes` of its address holds it: grafana/grafana,
// public/app/features/explore/hooks/useStateSync.

import type { DataQuery, OurUid } from './queries';

export type Panes = Record<
  string,
  {
    datasource: OurUid;
    queries: DataQuery[];
    range: { from: string; to: string };
    panelsState?: { trace?: { spanId: string } };
  }
>;
