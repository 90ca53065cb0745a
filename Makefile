# The two commands of the README are `make demo` and `make test`. Both are quiet, and harmless to repeat.
.PHONY: demo test bench lint clean

demo:
	@scripts/demo.sh

test:
	@scripts/test-setup.sh
	@scripts/test.sh

bench:
	@bench/run.sh

lint:
	@scripts/lint.sh

clean:
	@cargo clean --quiet
