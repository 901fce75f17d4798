# Two images: payment-monitor, the program alone, without a shell; and cron, the same under a cron
# for containers, on Debian. `docker build .` makes the first, `--target cron` the second; queues is
# for docker-compose.yml only. BuildKit is needed for the cache mounts.

FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS builder
WORKDIR /src
COPY . .
# The commit that `--version` tells: .git is not here.
ARG PAYMENT_MONITOR_COMMIT
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release \
    && install -D target/release/payment-monitor /out/payment-monitor

FROM golang:1.26.8-bookworm@sha256:dc9ad6c05acc7a88e5b71bde60a5fe3bd4b9f0db209011711b464107438a8107 AS supercronic
WORKDIR /src
COPY stack/tools/go.mod stack/tools/supercronic.mod stack/tools/supercronic.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -mod=readonly -modfile=supercronic.mod -trimpath -buildvcs=false \
        -ldflags='-s -w' -o /out/supercronic github.com/aptible/supercronic

FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f AS distroless

FROM debian:bookworm-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251 AS debian

# Folders of the collectors' user, which volumes take their owner from.
FROM debian AS queues
RUN install -d -o 10001 -g 10001 /queues/agent-job /queues/agent-db /queues/gateway
USER 10001:10001
CMD ["true"]

FROM debian AS cron
ARG PAYMENT_MONITOR_COMMIT
LABEL org.opencontainers.image.title="payment-monitor-cron" \
      org.opencontainers.image.description="payment-monitor under supercronic, a cron for containers" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.revision="${PAYMENT_MONITOR_COMMIT}"
RUN install -d -o 65532 -g 65532 /var/lib/payment-monitor
# For collectors and databases with certificates; Debian's slim image has none.
COPY --from=distroless /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=supercronic /out/supercronic /usr/local/bin/supercronic
COPY --from=builder /out/payment-monitor /usr/local/bin/payment-monitor
USER 65532:65532
ENTRYPOINT ["supercronic"]
CMD ["/etc/payment-monitor/crontab"]

FROM distroless AS payment-monitor
ARG PAYMENT_MONITOR_COMMIT
LABEL org.opencontainers.image.title="payment-monitor" \
      org.opencontainers.image.description="Brings a company's ledger in line with its payment provider's statement, on the record" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.revision="${PAYMENT_MONITOR_COMMIT}"
COPY --from=builder /out/payment-monitor /usr/local/bin/payment-monitor
USER 65532:65532
ENTRYPOINT ["payment-monitor"]
CMD ["--help"]
