// Runs a fuzz target over files instead of under libFuzzer: fuzz-TARGET FOLDER... puts every file of the
// folders to it once. Prints each input that breaks a rule, and at last `N passed, N failed`; a sanitizer's
// finding ends it at once.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_of(int argc, char** argv) {
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i)
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool passes(const std::filesystem::path& path) try {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> read((std::istreambuf_iterator<char>(file)), {});
  const std::vector<std::uint8_t> octets(read.begin(), read.end());
  LLVMFuzzerTestOneInput(octets.data(), octets.size());
  return true;
} catch (const std::exception& broken) {
  std::cout << path.string() << ": " << broken.what() << '\n';
  return false;
}

}  // namespace

int main(int argc, char** argv) try {
  unsigned passed = 0, failed = 0;
  for (const auto& path : files_of(argc, argv)) ++(passes(path) ? passed : failed);
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 2;
}
