// The log goes to stderr, one line an event. The answer path never logs: it counts.
//
//   logger().info("zone {} loaded: {} names", apex, names);
#pragma once

#include <spdlog/spdlog.h>

namespace sluice {

// Thread-safe.
inline spdlog::logger& logger() { return *spdlog::default_logger_raw(); }

// Sends the log to stderr in our format. Once, at start, before other threads exist.
void set_up_logging(bool verbose);

}  // namespace sluice
