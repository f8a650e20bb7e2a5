#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>

namespace sluice {

void set_up_logging(bool verbose) {
  auto log = spdlog::stderr_logger_mt("sluiced");
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  log->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
  spdlog::set_default_logger(std::move(log));
}

}  // namespace sluice
