// The monitoring mixin of candora: `prometheusRules`, `prometheusAlerts`.
(import 'config.libsonnet') + (import 'rules.libsonnet') + (import 'alerts.libsonnet')
