#include "agent/export/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <thread>

namespace sonde::exporter {
namespace {

using ::testing::HasSubstr;

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    options_.port = 0;
    health_ = {.version = "1.2.3",
               .uptime_ns = 90'000'000'000,
               .started = true,
               .checks = {{"probes", HealthState::kUp, "12 in 2 files", 1'500'000}}};
    pages_.metrics = [](const std::string& reader, const std::string& accept) {
      return Page{"text/plain", "reader=" + reader + " accept=" + accept + "\n"};
    };
    pages_.health = [this] { return health_; };
  }

  std::unique_ptr<HttpServer> Start() {
    auto server = HttpServer::Start(options_, pages_);
    EXPECT_TRUE(server.ok()) << server.status();
    return *std::move(server);
  }
  static httplib::Result Get(const HttpServer& server, const std::string& path,
                             const httplib::Headers& headers = {}) {
    return httplib::Client("127.0.0.1", server.port()).Get(path, headers);
  }

  HttpServer::Options options_;
  HttpServer::Pages pages_;
  HealthReport health_;
};

TEST_F(HttpServerTest, MetricsPageKnowsItsReader) {
  const auto server = Start();
  const auto reply =
      Get(*server, "/metrics", {{"User-Agent", "Prometheus/2.42.0"}, {"Accept", "text/plain"}});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "reader=127.0.0.1 Prometheus/2.42.0 accept=text/plain\n");
}

TEST_F(HttpServerTest, HealthFollowsTheChecks) {
  const auto server = Start();
  EXPECT_EQ(Get(*server, "/livez")->status, 200);
  EXPECT_EQ(Get(*server, "/readyz")->status, 200);
  auto reply = Get(*server, "/api/health");
  auto document = nlohmann::json::parse(reply->body);
  EXPECT_EQ(document["status"], "up");
  EXPECT_EQ(document["version"], "1.2.3");
  EXPECT_EQ(document["uptime_s"], 90);
  EXPECT_EQ(document["checks"]["probes"]["latency_ms"], 1.5);

  health_.checks.push_back({"exporters", HealthState::kDegraded, "collector down", {}});
  EXPECT_EQ(Get(*server, "/readyz")->status, 200);
  EXPECT_THAT(Get(*server, "/readyz")->body, HasSubstr("exporters: collector down"));
  health_.checks.push_back({"ring", HealthState::kDown, "not readable", {}});
  EXPECT_EQ(Get(*server, "/readyz")->status, 503);
  EXPECT_EQ(Get(*server, "/api/health")->status, 503);
  EXPECT_EQ(Get(*server, "/livez")->status, 200);
}

TEST_F(HttpServerTest, NotReadyBeforeItStarted) {
  health_.started = false;
  const auto server = Start();
  EXPECT_EQ(Get(*server, "/readyz")->status, 503);
  EXPECT_EQ(Get(*server, "/livez")->status, 200);
}

TEST_F(HttpServerTest, RefusalsAreCounted) {
  options_.access.bearer = {"made-up"};
  const auto server = Start();
  EXPECT_EQ(Get(*server, "/metrics")->status, 401);
  EXPECT_EQ(Get(*server, "/metrics")->get_header_value("WWW-Authenticate"),
            "Basic realm=\"sonde\"");
  EXPECT_EQ(Get(*server, "/metrics", {{"Authorization", "Bearer made-up"}})->status, 200);
  EXPECT_EQ(Get(*server, "/healthz")->status, 200);
  EXPECT_EQ(server->stats().refused, 2U);
  EXPECT_EQ(server->stats().served, 2U);
}

TEST_F(HttpServerTest, AddressesOutsideTheListAreRefused) {
  options_.access.address = [](std::string_view) { return false; };
  const auto server = Start();
  EXPECT_EQ(Get(*server, "/metrics")->status, 403);
  EXPECT_EQ(Get(*server, "/livez")->status, 403);
}

TEST_F(HttpServerTest, APortInUseIsToldAndNotShared) {
  const auto first = Start();
  options_.port = first->port();
  const auto second = HttpServer::Start(options_, pages_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("Address already in use"));
}

TEST_F(HttpServerTest, ACertificateThatCannotBeReadIsTold) {
  options_.cert_file = "/no/such.pem";
  options_.key_file = "/no/such.key";
  EXPECT_EQ(HttpServer::Start(options_, pages_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(HttpServerTest, UnknownPagesAreNotFound) {
  const auto server = Start();
  EXPECT_EQ(Get(*server, "/nothing")->status, 404);
  EXPECT_EQ(Get(*server, "/../etc/passwd")->status, 404);
}

TEST_F(HttpServerTest, ManyReadersAtOnceAllGetTheirPage) {
  const auto server = Start();
  std::atomic<int> good = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 50; ++i) {
    readers.emplace_back([&] {
      const auto reply = Get(*server, "/metrics");
      if (reply && reply->status == 200) ++good;
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(good, 50);
}

}  // namespace
}  // namespace sonde::exporter
