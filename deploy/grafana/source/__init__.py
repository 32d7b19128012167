"""The Grafana dashboards of candora as code: `make dashboards` writes ../dashboards from it."""
