"""Records of columns: in CSV and JSON, in Parquet, Arrow and Excel."""
