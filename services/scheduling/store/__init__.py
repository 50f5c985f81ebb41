"""What scheduling keeps: tables and the SQL over them. Rules are the domain's."""
