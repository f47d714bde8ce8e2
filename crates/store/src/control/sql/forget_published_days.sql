-- forget_published_days.sql
DELETE FROM published WHERE day < ?1
