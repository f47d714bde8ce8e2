-- probe_processes.sql: 1 on a server that lists running queries by the id they were sent with
SELECT count() AS running FROM system.processes WHERE query_id = {id:String}
