# OTLP messages, generated at build time from the opentelemetry-proto files: target
# sonde_otlp_proto. Its headers count as the system's: our warnings are not theirs.
#
# tools/setup.sh puts the files below build/deps/opentelemetry-proto; a system that ships the
# package has them in /usr/include.
find_path(SONDE_OTLP_PROTO_DIR opentelemetry/proto/collector/trace/v1/trace_service.proto
  PATHS ${CMAKE_SOURCE_DIR}/build/deps/opentelemetry-proto/usr/include
  DOC "Folder that holds opentelemetry/proto/...")
if(NOT SONDE_OTLP_PROTO_DIR)
  message(FATAL_ERROR "The OTLP .proto files are missing: run tools/setup.sh, or set "
    "SONDE_OTLP_PROTO_DIR to the folder that holds opentelemetry/proto.")
endif()
find_program(SONDE_PROTOC protoc REQUIRED)
find_program(SONDE_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
find_path(SONDE_WELL_KNOWN_PROTO_DIR google/protobuf/any.proto REQUIRED)

# sonde_protobuf(NAME target ROOT folder FILES paths below it [SERVICES those with gRPC services])
function(sonde_protobuf)
  cmake_parse_arguments(ARG "" "NAME;ROOT" "FILES;SERVICES" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/generated/${ARG_NAME})
  file(MAKE_DIRECTORY ${out})
  set(sources)
  foreach(file ${ARG_FILES} ${ARG_SERVICES})
    string(REGEX REPLACE "\\.proto$" "" stem ${file})
    set(products ${out}/${stem}.pb.cc)
    set(headers ${out}/${stem}.pb.h)
    set(grpc)
    if(file IN_LIST ARG_SERVICES)
      list(APPEND products ${out}/${stem}.grpc.pb.cc)
      list(APPEND headers ${out}/${stem}.grpc.pb.h)
      set(grpc --grpc_out=${out} --plugin=protoc-gen-grpc=${SONDE_GRPC_CPP_PLUGIN})
    endif()
    add_custom_command(OUTPUT ${products} ${headers}
      COMMAND ${SONDE_PROTOC} -I${ARG_ROOT} -I${SONDE_WELL_KNOWN_PROTO_DIR} --cpp_out=${out} ${grpc}
              ${ARG_ROOT}/${file}
      DEPENDS ${ARG_ROOT}/${file}
      COMMENT "protoc ${file}"
      VERBATIM)
    list(APPEND sources ${products})
  endforeach()
  add_library(${ARG_NAME} STATIC ${sources})
  target_include_directories(${ARG_NAME} SYSTEM PUBLIC ${out})
  target_link_libraries(${ARG_NAME} PUBLIC protobuf::libprotobuf)
  if(ARG_SERVICES)
    target_link_libraries(${ARG_NAME} PUBLIC PkgConfig::GRPCPP)
  endif()
endfunction()

sonde_protobuf(NAME sonde_otlp_proto
  ROOT ${SONDE_OTLP_PROTO_DIR}
  FILES
    opentelemetry/proto/common/v1/common.proto
    opentelemetry/proto/resource/v1/resource.proto
    opentelemetry/proto/trace/v1/trace.proto
    opentelemetry/proto/metrics/v1/metrics.proto
    opentelemetry/proto/logs/v1/logs.proto
  SERVICES
    opentelemetry/proto/collector/trace/v1/trace_service.proto
    opentelemetry/proto/collector/metrics/v1/metrics_service.proto
    opentelemetry/proto/collector/logs/v1/logs_service.proto)
