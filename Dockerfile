# docker build --tag cellclassifier .
# docker run --rm -v "$PWD:/cells" cellclassifier annotate cells.h5ad --model model.keras --out named.h5ad
# One image to make the wheel, another to run it: no compiler and no sources in the second.
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m pip install --no-cache-dir 'build>=1.2' && python -m build --wheel --outdir /dist

FROM python:3.12-slim
COPY --from=wheel /dist /dist
RUN wheel=$(ls /dist/*.whl) && python -m pip install --no-cache-dir "$wheel[rds]" && rm -r /dist
# the numba and matplotlib caches of whichever user runs it
ENV NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --create-home cells
USER cells
WORKDIR /cells
ENTRYPOINT ["cellclassifier"]
CMD ["--help"]
