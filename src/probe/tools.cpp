#include "probe/tools.hpp"

namespace sluice::probe {

Result<Tools> Toolbox::tools_for(const config::Check& check) {
  Tools tools;
  if (!check.body_regex.empty()) {
    auto pattern = pattern_for(check);
    if (!pattern) return pattern.error();
    tools.pattern = *std::move(pattern);
  }
  if (check.type == config::CheckType::https) {
    auto context = context_for(check);
    if (!context) return context.error();
    tools.tls = *std::move(context);
  }
  return tools;
}

Result<std::shared_ptr<const config::Pattern>> Toolbox::pattern_for(const config::Check& check) {
  std::erase_if(patterns_, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [text, pattern] : patterns_)
    if (text == check.body_regex) return pattern.lock();
  auto compiled = config::Pattern::compile(check.body_regex);
  if (!compiled) return Error{ErrorCode::unavailable, compiled.error().message};
  auto pattern = std::make_shared<const config::Pattern>(*std::move(compiled));
  patterns_.emplace_back(check.body_regex, pattern);
  return pattern;
}

Result<std::shared_ptr<TlsContext>> Toolbox::context_for(const config::Check& check) {
  std::erase_if(contexts_, [](const Context& entry) { return entry.context.expired(); });
  for (const auto& [verify, authorities, context] : contexts_)
    if (verify == check.verify && authorities == check.authorities) return context.lock();
  auto context = make_context(check);
  if (context) contexts_.push_back({check.verify, check.authorities, *context});
  return context;
}

}  // namespace sluice::probe
