-- columns.sql: every column of every table and view, in order.
SELECT things.name, columns.name, columns.type
FROM sqlite_schema AS things, pragma_table_info(things.name) AS columns
WHERE things.type IN ('table', 'view') AND things.name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY things.name, columns.cid
