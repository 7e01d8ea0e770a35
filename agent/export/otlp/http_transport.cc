#include <curl/curl.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/export/otlp/collector_says.h"
#include "agent/export/otlp/transport.h"

namespace sonde::exporter {
namespace {

constexpr int kGzipWindowBits = 15 + 16;
constexpr int kPollMs = 1000;
constexpr std::string_view kProtobuf = "application/x-protobuf";

bool Retryable(long status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

std::string Advice(long status, Signal signal) {
  if (status == 401 || status == 403) return "check its credentials";
  if (status == 404) return "check the path of its URL, usually " + SignalPath(signal);
  if (status >= 300 && status < 400) return "name the URL it redirects to";
  return "";
}

std::string_view Advice(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return "start it or correct its address";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return "check its certificate, the certificate files given for it, and that the port speaks "
             "TLS";
    case CURLE_OPERATION_TIMEDOUT:
      return "is it an OTLP/HTTP port?";
    default:
      return "";
  }
}

absl::StatusOr<std::string> Gzip(const std::string& plain) {
  z_stream stream{};
  constexpr int kDefaultMemory = 8;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, kDefaultMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return absl::ResourceExhaustedError("no memory to compress a request");
  }
  const absl::Cleanup end = [&stream] { deflateEnd(&stream); };
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return absl::InternalError("gzip failed");
  packed.resize(stream.total_out);
  return packed;
}

size_t KeepReply(char* data, size_t size, size_t count, void* reply) {
  auto& text = *static_cast<std::string*>(reply);
  if (text.size() + size * count > static_cast<size_t>(kLargestReplyBytes)) return 0;
  text.append(data, size * count);
  return size * count;
}

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

class HttpTransport : public OtlpTransport {
 public:
  explicit HttpTransport(const OtlpSettings& settings)
      : settings_(settings), multi_(curl_multi_init()), easy_(curl_easy_init()) {
    SetUp();
  }
  ~HttpTransport() override {
    if (added_) curl_multi_remove_handle(multi_.get(), easy_.get());
  }

  SendResult Send(Signal signal, const Request& request, absl::Duration timeout) override;
  void Cancel() override;

 private:
  template <typename T>
  void Set(CURLoption option, T value) {
    curl_easy_setopt(easy_.get(), option, value);
  }
  void SetUp();
  void AddHeader(const std::string& line);
  CURLcode Perform();
  SendResult Answer(Signal signal, const std::string& reply);
  SendResult NoAnswer(Signal signal, CURLcode code);

  const OtlpSettings settings_;
  // Order matters: the easy handle goes first, then the multi handle it was part of.
  std::unique_ptr<CURLM, MultiDeleter> multi_;
  std::unique_ptr<curl_slist, ListDeleter> headers_;
  std::unique_ptr<CURL, EasyDeleter> easy_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  bool added_ = false;
  std::atomic<bool> cancelled_ = false;
};

void HttpTransport::AddHeader(const std::string& line) {
  curl_slist* list = curl_slist_append(headers_.get(), line.c_str());
  if (list == nullptr) return;
  (void)headers_.release();
  headers_.reset(list);
}

void HttpTransport::SetUp() {
  AddHeader(absl::StrCat("Content-Type: ", std::string(kProtobuf)));
  AddHeader("Expect:");  // Bodies are small; a 100 Continue would only cost a turn.
  if (settings_.gzip) AddHeader("Content-Encoding: gzip");
  for (const auto& [name, value] : settings_.headers) {
    // "Name;" is curl's way to send an empty value.
    AddHeader(value.empty() ? name + ";" : absl::StrCat(name, ": ", value));
  }
  Set(CURLOPT_HTTPHEADER, headers_.get());
  Set(CURLOPT_USERAGENT, UserAgent().c_str());
  Set(CURLOPT_PROTOCOLS_STR, "http,https");
  Set(CURLOPT_FOLLOWLOCATION, 0L);  // Credentials go where the user said and nowhere else.
  Set(CURLOPT_PROXY, "");           // A proxy in the environment is the program's.
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_QUICK_EXIT, 1L);  // Cancelling does not wait for name resolution.
  Set(CURLOPT_WRITEFUNCTION, &KeepReply);
  Set(CURLOPT_ERRORBUFFER, error_.data());
  if (!settings_.ca_file.empty()) Set(CURLOPT_CAINFO, settings_.ca_file.c_str());
  if (!settings_.client_key_file.empty()) {
    Set(CURLOPT_SSLKEY, settings_.client_key_file.c_str());
  }
  if (!settings_.client_certificate_file.empty()) {
    Set(CURLOPT_SSLCERT, settings_.client_certificate_file.c_str());
  }
}

SendResult HttpTransport::Send(Signal signal, const Request& request, absl::Duration timeout) {
  std::string body = request.SerializeAsString();
  if (settings_.gzip) {
    absl::StatusOr<std::string> packed = Gzip(body);
    if (!packed.ok()) {
      return {.outcome = SendOutcome::kRefused, .message = std::string(packed.status().message())};
    }
    body = *std::move(packed);
  }
  std::string reply;
  error_[0] = '\0';
  Set(CURLOPT_URL, settings_.TargetOf(signal).c_str());
  Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  Set(CURLOPT_POSTFIELDS, body.data());
  Set(CURLOPT_WRITEDATA, &reply);
  Set(CURLOPT_TIMEOUT_MS,
      static_cast<long>(std::max<int64_t>(1, absl::ToInt64Milliseconds(timeout))));
  const CURLcode code = Perform();
  if (cancelled_ && code != CURLE_OK) return Ended(settings_.DisplayOf(signal), signal);
  return code == CURLE_OK ? Answer(signal, reply) : NoAnswer(signal, code);
}

// A multi handle around the one transfer, because it can be woken from another thread.
CURLcode HttpTransport::Perform() {
  curl_multi_add_handle(multi_.get(), easy_.get());
  added_ = true;
  CURLcode code = CURLE_ABORTED_BY_CALLBACK;
  int running = 1;
  while (running > 0 && !cancelled_) {
    if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) break;
    if (running > 0) curl_multi_poll(multi_.get(), nullptr, 0, kPollMs, nullptr);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_multi_remove_handle(multi_.get(), easy_.get());
  added_ = false;
  return code;
}

void HttpTransport::Cancel() {
  cancelled_ = true;
  curl_multi_wakeup(multi_.get());
}

SendResult HttpTransport::Answer(Signal signal, const std::string& reply) {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  const char* type = nullptr;
  curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
  const bool protobuf = type != nullptr && std::string_view(type).starts_with(kProtobuf);
  if (status >= 200 && status < 300) {
    return PartialSuccess(settings_.DisplayOf(signal), signal, protobuf ? reply : std::string());
  }
  SendResult result;
  result.answered = true;
  result.outcome = Retryable(status) ? SendOutcome::kRetry : SendOutcome::kRefused;
  curl_off_t wait = 0;
  if (result.outcome == SendOutcome::kRetry &&
      curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0) {
    result.retry_after = absl::Seconds(wait);
  }
  const std::string said = protobuf ? StatusMessage(reply) : std::string();
  result.message =
      Sentence(settings_.DisplayOf(signal), "answered HTTP ",
               said.empty() ? std::to_string(status) : absl::StrCat(status, " (", said, ")"),
               Advice(status, signal));
  return result;
}

SendResult HttpTransport::NoAnswer(Signal signal, CURLcode code) {
  SendResult result;
  result.outcome = SendOutcome::kRetry;
  const std::string_view why = error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
  result.message = Sentence(settings_.DisplayOf(signal), "did not answer: ", why, Advice(code));
  return result;
}

absl::Status Readable(const std::string& path, std::string_view what) {
  if (path.empty() || std::ifstream(path).good()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("cannot read ", std::string(what), " ", path,
                                          " for the OTLP exporter: name a PEM file"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeHttpTransport(const OtlpSettings& settings) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  for (const absl::Status& status :
       {Readable(settings.ca_file, "the certificate file"),
        Readable(settings.client_key_file, "the client key file"),
        Readable(settings.client_certificate_file, "the client certificate file")}) {
    if (!status.ok()) return status;
  }
  return std::make_unique<HttpTransport>(settings);
}

absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeTransport(const OtlpSettings& settings) {
  // gRPC ends the process at a header it cannot send, and HTTP would send more than one.
  for (size_t i = 0; i < settings.headers.size(); ++i) {
    const auto& [name, value] = settings.headers[i];
    if (IsExportHeader(name, value)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "header ", i + 1,
        " for the OTLP exporter cannot be sent: a name has lower-case letters, "
        "digits, - _ and ., a value printable ASCII; names in grpc- and -bin are gRPC's own"));
  }
  return settings.protocol == OtlpProtocol::kGrpc ? MakeGrpcTransport(settings)
                                                  : MakeHttpTransport(settings);
}

absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeTransport(Signal signal,
                                                             const OtlpSettings& settings) {
  if (settings.TargetOf(signal).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no OTLP endpoint for ", std::string(SignalName(signal)), " is set"));
  }
  return MakeTransport(settings);
}

}  // namespace sonde::exporter
