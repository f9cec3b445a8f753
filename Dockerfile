# One static program in an empty image: docker build -t claviger .
#
# BUILD_IMAGE is any Debian or Ubuntu with Rust (see rust-version in Cargo.toml) and a C compiler.
ARG BUILD_IMAGE=rust:1.95-bookworm

FROM ${BUILD_IMAGE} AS build
# What `claviger version` and the metric `build_info` call this build: --build-arg CLAVIGER_REVISION="$(git rev-parse --short HEAD)"
ARG CLAVIGER_REVISION
WORKDIR /src
COPY . .
# With an explicit target, build scripts and macros keep the C library that they are loaded with; only the program is static.
RUN set -eu; \
    target="$(rustc --print host-tuple)"; \
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --profile dist --locked --bin claviger --target "$target"; \
    mkdir -p /image/etc/claviger /image/var/lib/claviger; \
    strip --strip-debug -o /image/claviger "target/$target/dist/claviger"

FROM scratch
LABEL org.opencontainers.image.title="Claviger" \
      org.opencontainers.image.description="An authentication sidecar proxy: an API key goes in, a short-lived JWT goes on" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /image/var/lib/claviger /var/lib/claviger
USER 65532:65532
# For `claviger healthcheck`, and for commands on the store given by exec.
ENV CLAVIGER_CONFIG=/etc/claviger/claviger.toml
# The only place that is written to: the embedded store and the signing keys. The root may be read-only.
WORKDIR /var/lib/claviger
VOLUME /var/lib/claviger
# Requests; admin API, on loopback by default; probes, metrics and JWKS.
EXPOSE 8080 8081 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/claviger", "healthcheck"]
ENTRYPOINT ["/claviger"]
CMD ["serve", "--config", "/etc/claviger/claviger.toml"]
