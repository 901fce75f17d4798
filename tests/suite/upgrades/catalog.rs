//! What a schema consists of, as text to be compared: whether it was made at once or grew.
//! Months are left out: which partitions there are depends on the day.

use crate::harness::Ledger;

/// One line for each thing: relations with owner, grants and options, columns, constraints,
/// indexes, triggers, functions, views, comments. What a partition has from its parent is left
/// out, and so are the names of its months.
const CATALOG: &str = r"
WITH ours AS (
    SELECT c.*, c.oid::regclass::text AS name, CASE WHEN c.relispartition
        THEN regexp_replace(c.relname, '_\d{6}', '_MONTH') ELSE c.relname END AS called
    FROM pg_class c WHERE relnamespace = 'public'::regnamespace
), lines AS (
    SELECT concat_ws(' ', 'relation', relkind, called, relpersistence, relowner::regrole, (
        SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(relacl) acl),
        reloptions, obj_description(oid, 'pg_class')) AS line
    FROM ours WHERE NOT (relispartition AND relkind IN ('i', 'I'))
    UNION ALL SELECT concat_ws(' ', 'view', called, pg_get_viewdef(oid)) FROM ours
        WHERE relkind = 'v'
    UNION ALL SELECT concat_ws(' ', 'column', called, rank() OVER (PARTITION BY o.oid
        ORDER BY attnum), attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
        attgenerated, attacl, pg_get_expr(adbin, adrelid), col_description(o.oid, attnum))
    FROM ours o JOIN pg_attribute a ON attrelid = o.oid
    LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
    WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v')
    UNION ALL SELECT concat_ws(' ', 'constraint', called, conname, convalidated,
        pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'))
    FROM ours o JOIN pg_constraint k ON conrelid = o.oid WHERE NOT relispartition
    UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(oid)) FROM ours
        WHERE relkind IN ('i', 'I') AND NOT relispartition
    UNION ALL SELECT concat_ws(' ', 'trigger', tgenabled,
        regexp_replace(pg_get_triggerdef(t.oid), '_\d{6}', '_MONTH', 'g'))
    FROM ours o JOIN pg_trigger t ON tgrelid = o.oid WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', 'function', pg_get_functiondef(oid), proowner::regrole,
        (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(proacl) acl),
        obj_description(oid, 'pg_proc'))
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'schema', (
        SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(nspacl) acl))
    FROM pg_namespace WHERE nspname = 'public'
)
SELECT string_agg(DISTINCT line, E'\n' ORDER BY line) FROM lines
WHERE line !~ '(company_|no_charge_of_nothing)'";

/// The schema as text; `owner` is whoever made it.
pub async fn catalog(ledger: &mut Ledger, owner: &str) -> String {
    let text = ledger.text(CATALOG).await.replace(owner, "OWNER");
    // A dump gives constants in the later parts of a UNION their type's name, which nobody sees.
    ["text", "int4", "int8", "numeric", "timestamptz"]
        .into_iter()
        .fold(text, |text, name| text.replace(&format!(" AS {name}"), ""))
}

/// Fails with the first line that differs.
pub fn assert_same(found: &str, expected: &str, what: &str) {
    let pair = found.lines().zip(expected.lines()).find(|(here, there)| here != there);
    assert!(found == expected, "{what}\nthe first difference: {pair:#?}");
}
