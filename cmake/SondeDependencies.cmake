# Every library from outside, found once. docs/dependencies.md says what each is for and which room
# may use it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
if(BUILD_TESTING)
  find_package(GTest REQUIRED)
endif()
if(SONDE_BENCH AND NOT SONDE_FUZZ AND NOT SONDE_SANITIZE)
  find_package(benchmark REQUIRED)
endif()
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf)
pkg_check_modules(LIBELF REQUIRED IMPORTED_TARGET libelf)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(BROTLI REQUIRED IMPORTED_TARGET libbrotlidec)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
if(BUILD_TESTING)
  # Tests only: an encoder for what the decoder reads.
  pkg_check_modules(BROTLI_ENCODER REQUIRED IMPORTED_TARGET libbrotlienc)
  # Tests only: the HTTP collector that the exporter talks to.
  pkg_check_modules(CPP_HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
endif()

# llhttp: Debian ships the generated C sources with node-llhttp and builds no library of them.
add_library(llhttp STATIC /usr/share/llhttp/llhttp.c /usr/share/llhttp/api.c /usr/share/llhttp/http.c)
target_include_directories(llhttp SYSTEM PUBLIC /usr/share/include/llhttp)
