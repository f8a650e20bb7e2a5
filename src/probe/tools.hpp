// What the probes of a check need beside the check, made once for all targets that have it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "config/pattern.hpp"
#include "probe/tls.hpp"

namespace sluice::probe {

struct Tools {
  std::shared_ptr<const config::Pattern> pattern;  // null: the check has none
  std::shared_ptr<TlsContext> tls;                 // null: not an https check
};

// Not thread-safe.
class Toolbox {
 public:
  // ErrorCode::unavailable: they cannot be made.
  Result<Tools> tools_for(const config::Check& check);

 private:
  Result<std::shared_ptr<const config::Pattern>> pattern_for(const config::Check& check);
  Result<std::shared_ptr<TlsContext>> context_for(const config::Check& check);

  struct Context {
    bool verify;
    config::SharedText authorities;
    std::weak_ptr<TlsContext> context;
  };
  // As long as somebody uses them; there are as many as there are checks at most.
  std::vector<std::pair<std::string, std::weak_ptr<const config::Pattern>>> patterns_;
  std::vector<Context> contexts_;
};

}  // namespace sluice::probe
