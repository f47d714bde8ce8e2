-- published_days.sql
SELECT day, visitors, epsilon FROM published WHERE site = ?1 AND day BETWEEN ?2 AND ?3 ORDER BY day
