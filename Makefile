# The commands of README.md. Everything real is in CMake and tools/.
.PHONY: demo test bench fuzz setup build install package format tidy clean
PRESET ?= dev

setup:
	@tools/setup.sh
build: setup
	@cmake --preset $(PRESET) >/dev/null
	@cmake --build --preset $(PRESET)
demo:
	@tools/demo.sh
test:
	@tools/test.sh
bench:
	@tools/bench.sh
fuzz:
	@tools/fuzz.sh
install: PRESET = release
install: build
	@DESTDIR=$(DESTDIR) cmake --install build/$(PRESET) --prefix $(or $(PREFIX),/usr) --strip
package: PRESET = release
package: build
	@cd build/$(PRESET) && cpack -G DEB
format:
	@git ls-files '*.cc' '*.h' '*.c' | xargs clang-format -i
tidy:
	@tools/tidy.sh
clean:
	@rm -rf build
