-- put_migration.sql
INSERT INTO schema_migrations (version) SELECT {version:UInt32}
