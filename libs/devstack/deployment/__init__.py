"""docker-compose.yml and deploy/k8s, written from the same process table that the supervisor starts."""
