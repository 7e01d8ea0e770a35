// A thread that leaves every signal to the program's own threads.
#ifndef SONDE_AGENT_EXPORT_OTLP_WORKER_THREAD_H_
#define SONDE_AGENT_EXPORT_OTLP_WORKER_THREAD_H_

#include <pthread.h>

#include <csignal>
#include <thread>
#include <utility>

namespace sonde::exporter {

/// Runs `work`; threads that it starts take no signals either.
template <typename Work>
std::thread StartWorker(Work work) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(work));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_WORKER_THREAD_H_
