"""`/api/v1/features`: feature views, their values online and as of any time, materialization, pushes."""
