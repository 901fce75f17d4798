module _

go 1.26.0

require go.opentelemetry.io/collector/cmd/builder v0.155.0
