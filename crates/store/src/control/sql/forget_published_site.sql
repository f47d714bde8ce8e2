-- forget_published_site.sql
DELETE FROM published WHERE site = ?1
