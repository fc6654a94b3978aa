"""Tables: columns of records in CSV and JSON, Parquet, Arrow and Excel."""
