# The health-check service as a small image: docker build -t healthcheck-dashboard .

FROM rust:1-bookworm AS builder
WORKDIR /usr/src/healthcheck_dashboard

# The dependencies, in a layer of their own: it is built again when Cargo.toml or Cargo.lock change, and not when the
# sources do. The crate stands in for itself with nothing in it.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir src tests \
 && echo 'fn main() {}' >src/main.rs \
 && touch src/lib.rs tests/main.rs \
 && cargo build --release --locked \
 && cargo clean --release --package healthcheck_dashboard \
 && rm -r src tests

# The crate. Migrations, pages and styles are embedded into the binary.
COPY src src
COPY migrations migrations
COPY templates templates
RUN mkdir tests && touch tests/main.rs && cargo build --release --locked


FROM debian:bookworm-slim

# A fixed number, so that a folder of the host can be given to it: chown 10001:10001.
RUN groupadd --system --gid 10001 healthcheck \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin healthcheck \
 && install -d -o 10001 -g 10001 /app/data

WORKDIR /app
# The authorities that HTTPS endpoints are judged by.
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=builder /usr/src/healthcheck_dashboard/target/release/healthcheck_dashboard /usr/local/bin/healthcheck_dashboard
COPY config.toml /app/config.toml

USER 10001:10001
ENV HEALTHCHECK_CONFIG=/app/config.toml
VOLUME /app/data
EXPOSE 9100

# The program asks its own /livez: whether it is alive, not whether what it watches is.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["healthcheck_dashboard", "healthcheck"]

# Without a shell in between: SIGTERM reaches the program, which commits what it knows and ends with 0.
CMD ["healthcheck_dashboard"]
