// The second half of the loader: checks that the records make a zone, and lays it out in its final form.
#pragma once

#include <memory>
#include <span>

#include "zone/records.hpp"
#include "zone/zone.hpp"

namespace sluice::zone {

// Adds to `errors` what is wrong with the zone as a whole. The zone is of use only when `errors` is empty
// then.
std::shared_ptr<const Zone> compile(const Records& records, const wire::Name& apex,
                                    std::span<const Steered> steered, ErrorList& errors);

}  // namespace sluice::zone
