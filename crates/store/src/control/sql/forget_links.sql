-- forget_links.sql: links whose sessions are over, too.
DELETE FROM tokens WHERE kind = 'link' AND expires_at < ?1
