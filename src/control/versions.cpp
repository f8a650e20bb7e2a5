#include "control/versions.hpp"

#include <utility>

#include <fmt/format.h>

#include "control/arguments.hpp"

namespace sluice::control {
namespace {

const store::SteerVersion* stored_version(const Model& model, const wire::Name& name) {
  const auto found = model.steerings().find(name);
  return found == model.steerings().end() || !found->second.version ? nullptr : &*found->second.version;
}

}  // namespace

std::int64_t version_of(const Model& model, const wire::Name& name) {
  const auto* stored = stored_version(model, name);
  return stored == nullptr ? 0 : stored->version;
}

std::optional<Error> version_objection(const Model& model, const Request& request, const wire::Name& name) {
  const auto wanted = number_argument(request, "if-version");
  const auto version = version_of(model, name);
  if (!wanted || *wanted == static_cast<std::uint64_t>(version)) return {};
  const auto* stored = stored_version(model, name);
  const auto change = stored == nullptr ? std::string("it has never been changed")
                                        : fmt::format("changed by {} at {}: {}", stored->by,
                                                      to_text(stored->at), stored->text);
  return Error{ErrorCode::refused,
               fmt::format("{} is at version {}, and not at {}; {}", name.text(), version, *wanted, change)};
}

store::SteerVersion next_version(const Model& model, const wire::Name& name, std::string by, std::string text,
                                 Time now) {
  return {name.text(), version_of(model, name) + 1, std::move(by), now, std::move(text)};
}

}  // namespace sluice::control
