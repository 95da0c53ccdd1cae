# One image for every service: `python -m services.NAME` (ingest, review, rollup, export), and for
# the command line: `sealbook secrets`, `sealbook setup`. It holds no secret and no configuration.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/sealbook
ENV PATH=/opt/sealbook/bin:$PATH
WORKDIR /src
COPY requirements/services.txt requirements/
# Wheels only: what would need a compiler fails here, and not when it runs.
RUN pip install --require-hashes --only-binary :all: --requirement requirements/services.txt
COPY pyproject.toml ./
COPY shared shared
COPY services services
RUN pip install --no-deps --no-build-isolation ./shared . \
 && pip check \
 && pip uninstall --yes hatchling editables trove-classifiers pathspec setuptools pip

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 sealbook \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sealbook
COPY --from=build /opt/sealbook /opt/sealbook
ENV PATH=/opt/sealbook/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080
CMD ["sealbook", "--help"]
