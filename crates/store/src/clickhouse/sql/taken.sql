-- taken.sql: hits of all sites that can be read, by the kind of a text, and those of which the text
-- policy took a part or all.
SELECT kind, toInt64(sum(n)) AS hits, toInt64(sum(part)) AS parts, toInt64(sum(gone)) AS whole
FROM (
    SELECT 'page' AS kind, 1 AS place, sum(views) AS n, sumIf(views, position(page, ':id') > 0) AS part,
           sumIf(views, page = '/:invalid') AS gone
    FROM page_counts
    UNION ALL
    SELECT 'click', 2, sum(clicks), sumIf(clicks, position(target, ':id') > 0),
           sumIf(clicks, target = '(other)')
    FROM click_counts
    UNION ALL
    SELECT 'source', 3, sum(views), toInt64(0), sumIf(views, value IN ('(ip)', '(private)'))
    FROM attribute_counts WHERE attribute = 'source'
    UNION ALL
    SELECT 'utm', 4, sum(views), toInt64(0), sumIf(views, value = '(redacted)')
    FROM attribute_counts
    WHERE attribute IN ('utm_source', 'utm_medium', 'utm_campaign') AND value != '(none)'
)
GROUP BY kind, place ORDER BY place
