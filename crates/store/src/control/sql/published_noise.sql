-- published_noise.sql
SELECT site, min(epsilon), max(epsilon) FROM published GROUP BY site ORDER BY site
