#include "agent/export/otlp/test_collector.h"

#include <grpcpp/grpcpp.h>
#include <httplib.h>

#include <chrono>
#include <thread>

#include "opentelemetry/proto/collector/logs/v1/logs_service.grpc.pb.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.grpc.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"

namespace sonde::exporter {
namespace {

namespace trace = opentelemetry::proto::collector::trace::v1;
namespace metrics = opentelemetry::proto::collector::metrics::v1;
namespace logs = opentelemetry::proto::collector::logs::v1;

constexpr std::chrono::seconds kPatience{20};
constexpr char kProtobuf[] = "application/x-protobuf";
constexpr char kGarbageText[] = "\xff\xff\ngarbage";

void SetPartial(int64_t rejected, const std::string& why, trace::ExportTraceServiceResponse* out) {
  out->mutable_partial_success()->set_rejected_spans(rejected);
  out->mutable_partial_success()->set_error_message(why);
}
void SetPartial(int64_t rejected, const std::string& why,
                metrics::ExportMetricsServiceResponse* out) {
  out->mutable_partial_success()->set_rejected_data_points(rejected);
  out->mutable_partial_success()->set_error_message(why);
}
void SetPartial(int64_t rejected, const std::string& why, logs::ExportLogsServiceResponse* out) {
  out->mutable_partial_success()->set_rejected_log_records(rejected);
  out->mutable_partial_success()->set_error_message(why);
}

class GrpcCollector final : public TestCollector {
 public:
  GrpcCollector() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&traces_);
    builder.RegisterService(&metrics_);
    builder.RegisterService(&logs_);
    server_ = builder.BuildAndStart();
  }
  ~GrpcCollector() override { server_->Shutdown(std::chrono::system_clock::now()); }
  std::string Url() const override { return "grpc://127.0.0.1:" + std::to_string(port_); }

 private:
  template <typename Base, typename ExportRequest, typename ExportResponse>
  class Service final : public Base {
   public:
    Service(GrpcCollector* collector, Signal signal) : collector_(collector), signal_(signal) {}
    grpc::Status Export(grpc::ServerContext* /*context*/, const ExportRequest* request,
                        ExportResponse* response) override {
      const Reply reply = collector_->Take(signal_, request->SerializeAsString());
      switch (reply.answer) {
        case Answer::kLater:
          return {grpc::UNAVAILABLE, "later"};
        case Answer::kRefuse:
          return {grpc::INVALID_ARGUMENT, "refused"};
        case Answer::kGarbage:
          return {static_cast<grpc::StatusCode>(99), kGarbageText};
        case Answer::kTake:
          break;
      }
      if (reply.rejected > 0) SetPartial(reply.rejected, reply.why, response);
      return grpc::Status::OK;
    }

   private:
    GrpcCollector* collector_;
    Signal signal_;
  };

  Service<trace::TraceService::Service, trace::ExportTraceServiceRequest,
          trace::ExportTraceServiceResponse>
      traces_{this, Signal::kTraces};
  Service<metrics::MetricsService::Service, metrics::ExportMetricsServiceRequest,
          metrics::ExportMetricsServiceResponse>
      metrics_{this, Signal::kMetrics};
  Service<logs::LogsService::Service, logs::ExportLogsServiceRequest,
          logs::ExportLogsServiceResponse>
      logs_{this, Signal::kLogs};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class HttpCollector final : public TestCollector {
 public:
  HttpCollector() {
    Serve<trace::ExportTraceServiceResponse>(Signal::kTraces);
    Serve<metrics::ExportMetricsServiceResponse>(Signal::kMetrics);
    Serve<logs::ExportLogsServiceResponse>(Signal::kLogs);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~HttpCollector() override {
    server_.stop();
    thread_.join();
  }
  std::string Url() const override { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  template <typename ExportResponse>
  void Serve(Signal signal) {
    server_.Post(SignalPath(signal),
                 [this, signal](const httplib::Request& request, httplib::Response& response) {
                   const Reply reply = Take(signal, request.body);
                   if (reply.answer == Answer::kLater) response.status = 503;
                   if (reply.answer == Answer::kRefuse) response.status = 400;
                   if (reply.answer == Answer::kGarbage)
                     response.set_content(kGarbageText, kProtobuf);
                   if (reply.answer != Answer::kTake) return;
                   ExportResponse message;
                   if (reply.rejected > 0) SetPartial(reply.rejected, reply.why, &message);
                   response.set_content(message.SerializeAsString(), kProtobuf);
                 });
  }

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<TestCollector> TestCollector::Make(OtlpProtocol protocol) {
  if (protocol == OtlpProtocol::kGrpc) return std::make_unique<GrpcCollector>();
  return std::make_unique<HttpCollector>();
}

void TestCollector::Next(std::vector<Answer> answers) {
  const std::lock_guard<std::mutex> lock(mutex_);
  answers_.assign(answers.begin(), answers.end());
}

void TestCollector::Reject(int64_t items, std::string why) {
  const std::lock_guard<std::mutex> lock(mutex_);
  rejected_ = items;
  why_ = std::move(why);
}

std::vector<TestCollector::Request> TestCollector::requests() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return requests_;
}

bool TestCollector::WaitFor(const std::function<bool(const std::vector<Request>&)>& done) const {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return done(requests_); });
}

TestCollector::Reply TestCollector::Take(Signal signal, std::string body) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Reply reply{.rejected = rejected_, .why = why_};
  if (!answers_.empty()) {
    reply.answer = answers_.front();
    answers_.pop_front();
  }
  requests_.push_back({signal, reply.answer, std::move(body)});
  changed_.notify_all();
  return reply;
}

}  // namespace sonde::exporter
