"""export: one file in S3 for each job, however often the job is delivered."""
