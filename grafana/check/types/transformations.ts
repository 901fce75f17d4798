// Transformations by id, each with its own options: grafana/grafana,
// packages/grafana-data/src/transformations/transformers. One that is missing here is refused until
// it is written down.

import type { Matcher } from './fields';

/** packages/grafana-data/src/transformations/fieldReducer.ts */
export type Reducer =
  | 'sum'
  | 'max'
  | 'min'
  | 'logmin'
  | 'mean'
  | 'median'
  | 'last'
  | 'lastNotNull'
  | 'first'
  | 'firstNotNull'
  | 'count'
  | 'range'
  | 'diff'
  | 'diffperc'
  | 'delta'
  | 'step'
  | 'variance'
  | 'stdDev'
  | 'changeCount'
  | 'distinctCount'
  | 'allIsZero'
  | 'allIsNull'
  | 'allValues'
  | 'uniqueValues'
  | 'countAll'
  | `p${number}`;

type FieldType =
  'time' | 'number' | 'string' | 'boolean' | 'trace' | 'geo' | 'enum' | 'other' | 'frame';

/** As a record of nothing it would be what the compiler compares every mistake with. */
type NoOptions = { none?: undefined };

type EmptyValue = 'true' | 'false' | 'null' | 'empty' | 'zero';

type Names = { names?: string[]; pattern?: string; variable?: string };

type Operand = string | { fixed: string } | { matcher: Matcher };

type Calculation =
  | { mode: 'reduceRow'; reduce: { reducer: Reducer; include?: string[]; nullValueMode?: string } }
  | {
      mode: 'binary';
      binary: { left: Operand; operator: '+' | '-' | '*' | '/' | '**' | '%'; right: Operand };
    }
  | {
      mode: 'unary';
      unary: { operator: 'abs' | 'exp' | 'ln' | 'floor' | 'ceil' | 'round'; fieldName: string };
    }
  | { mode: 'cumulativeFunctions'; cumulative: { field: string; reducer: 'sum' | 'mean' } }
  | { mode: 'index'; index?: { asPercentile: boolean } };

type ValueMatcher = {
  fieldName: string;
  config: {
    id:
      | 'isNull'
      | 'isNotNull'
      | 'greater'
      | 'greaterOrEqual'
      | 'lower'
      | 'lowerOrEqual'
      | 'equal'
      | 'notEqual'
      | 'regex'
      | 'substring'
      | 'notSubstring'
      | 'between';
    options: { value?: string | number | boolean; from?: number; to?: number };
  };
};

interface OptionsById {
  organize: {
    excludeByName?: Record<string, boolean>;
    includeByName?: Record<string, boolean>;
    indexByName?: Record<string, number>;
    renameByName?: Record<string, string>;
    orderByMode?: 'manual' | 'auto';
    orderBy?: Array<{ type: 'name' | 'label'; name?: string; desc?: boolean }>;
  };
  sortBy: { fields?: Record<string, never>; sort: Array<{ field: string; desc?: boolean }> };
  filterFieldsByName: { include?: Names; exclude?: Names; byVariable?: boolean };
  filterByValue: { filters: ValueMatcher[]; type: 'include' | 'exclude'; match: 'all' | 'any' };
  filterByRefId: { include?: string; exclude?: string };
  merge: NoOptions;
  concatenate: { frameNameMode?: 'field' | 'label' | 'drop'; frameNameLabel?: string };
  joinByField: { byField?: string; mode?: 'outer' | 'inner' | 'outerTabular' };
  joinByLabels: { value: string; join?: string[] };
  labelsToFields: { mode?: 'columns' | 'rows'; keepLabels?: string[]; valueLabel?: string };
  convertFieldType: {
    fields?: Record<string, never>;
    conversions: Array<{
      targetField: string;
      destinationType: FieldType;
      dateFormat?: string;
      timezone?: string;
      joinWith?: string;
    }>;
  };
  calculateField: Calculation & { alias?: string; replaceFields?: boolean; timeSeries?: boolean };
  groupBy: {
    fields: Record<string, { operation: 'groupby' | 'aggregate' | null; aggregations: Reducer[] }>;
  };
  reduce: {
    reducers: Reducer[];
    mode?: 'seriesToRows' | 'reduceFields';
    includeTimeField?: boolean;
    labelsToFields?: boolean;
    fields?: Matcher;
  };
  extractFields: {
    source: string;
    format?: 'auto' | 'json' | 'kvp' | 'regexp' | 'delimiter';
    jsonPaths?: Array<{ path: string; alias?: string }>;
    regExp?: string;
    delimiter?: string;
    keepTime?: boolean;
    replace?: boolean;
  };
  renameByRegex: { regex: string; renamePattern: string };
  limit: { limitField: number | string };
  seriesToRows: NoOptions;
  partitionByValues: {
    fields: string[];
    keepFields?: boolean;
    naming?: { asLabels?: boolean; append?: boolean; withNames?: boolean };
  };
  prepareTimeSeries: { format: 'wide' | 'multi' | 'long' };
  groupingToMatrix: {
    columnField?: string;
    rowField?: string;
    valueField?: string;
    emptyValue?: EmptyValue;
  };
  rowsToFields: {
    mappings?: Array<{ fieldName: string; handlerKey: string | null }>;
  };
  transpose: { firstFieldName?: string; restFieldsName?: string; emptyValue?: EmptyValue };
  formatTime: {
    timeField: string;
    outputFormat: string;
    timezone: string;
  };
}

export type Transformation = {
  [Id in keyof OptionsById]: {
    id: Id;
    options: OptionsById[Id];
    disabled?: boolean;
    filter?: Matcher;
    topic?: 'series' | 'annotations' | 'alertStates';
  };
}[keyof OptionsById];
