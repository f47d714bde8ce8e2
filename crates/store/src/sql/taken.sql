-- taken.sql: hits of all sites that can be read, by the kind of a text, and those of which the text
-- policy took a part or all.
SELECT 'page', coalesce(sum(views), 0), coalesce(sum(iif(instr(page, ':id') > 0, views, 0)), 0),
       coalesce(sum(iif(page = '/:invalid', views, 0)), 0)
FROM page_counts
UNION ALL
SELECT 'click', coalesce(sum(clicks), 0), coalesce(sum(iif(instr(target, ':id') > 0, clicks, 0)), 0),
       coalesce(sum(iif(target = '(other)', clicks, 0)), 0)
FROM click_counts
UNION ALL
SELECT 'source', coalesce(sum(views), 0), 0,
       coalesce(sum(iif(value IN ('(ip)', '(private)'), views, 0)), 0)
FROM attribute_counts WHERE attribute = 'source'
UNION ALL
SELECT 'utm', coalesce(sum(views), 0), 0, coalesce(sum(iif(value = '(redacted)', views, 0)), 0)
FROM attribute_counts
WHERE attribute IN ('utm_source', 'utm_medium', 'utm_campaign') AND value <> '(none)'
