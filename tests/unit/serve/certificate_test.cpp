#include "serve/certificate.hpp"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "../../support/certificate.hpp"

namespace sluice::serve {
namespace {

using sluice::test::CertificateFiles;
using sluice::test::make_certificate;
using sluice::test::write_file;

TEST_CASE("a certificate and its key are loaded, a chain behind it, too") {
  const auto text = make_certificate("ns1.test"), above = make_certificate("ca.test");
  const CertificateFiles files(text);
  CHECK(load_certificate(files.certificate(), files.key()).certificate);
  for (const auto& content : {text.certificate + above.certificate,
                              "words before\n" + text.certificate + "and between\n" + above.certificate,
                              text.certificate + text.key, text.certificate + "words behind\n"}) {
    write_file(files.certificate(), content);
    const auto loaded = load_certificate(files.certificate(), files.key());
    CHECK(loaded.certificate);
    CHECK(loaded.certificate_error + loaded.key_error == "");
  }
}

std::string damaged(std::string pem) {
  pem[pem.find('\n') + 20] = '!';
  return pem;
}

TEST_CASE("what cannot be used is refused, with the file and the reason") {
  const auto text = make_certificate("ns1.test"), other = make_certificate("ns1.test"),
             locked = make_certificate("ns1.test", "secret");
  std::string many;
  for (int i = 0; i < 30; ++i) many += text.certificate;
  const struct {
    const char* name;
    std::string certificate, key;
    const char *certificate_error, *key_error;  // what they contain
  } rows[] = {
      {"another's key", text.certificate, other.key, "", "does not go with the certificate in"},
      {"both empty", "", "", "there is no PEM certificate in", "there is no PEM private key in"},
      {"interchanged", text.key, text.certificate, "there is no PEM certificate in",
       "there is no PEM private key in"},
      {"damaged certificate", damaged(text.certificate), text.key, "is damaged", ""},
      {"cut certificate", text.certificate.substr(0, 200), text.key, "is damaged", ""},
      {"damaged chain", text.certificate + damaged(text.certificate), text.key,
       "is damaged after 1 certificate(s)", ""},
      {"endless chain", many, text.key, "there are more than", ""},
      {"damaged key", text.certificate, damaged(text.key), "", "cannot be read"},
      {"key with a pass phrase", locked.certificate, locked.key, "", "a pass phrase cannot be asked for"},
      {"far too large", std::string(2 << 20, 'x'), std::string(2 << 20, 'x'),
       "the file is larger than 1048576 octets", "the file is larger than 1048576 octets"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const CertificateFiles files({row.certificate, row.key});
    const auto loaded = load_certificate(files.certificate(), files.key());
    CHECK(!loaded.certificate);
    for (const auto& [error, wanted, file] :
         {std::tuple{loaded.certificate_error, row.certificate_error, files.certificate()},
          {loaded.key_error, row.key_error, files.key()}}) {
      CAPTURE(error);
      CHECK(error.empty() == std::string(wanted).empty());
      CHECK(error.find(wanted) != error.npos);
      if (!error.empty()) CHECK(error.find(file) != error.npos);
    }
  }
}

TEST_CASE("files that cannot be read are refused, and nothing waits for them") {
  const CertificateFiles files(make_certificate("ns1.test"));
  const auto folder = std::filesystem::path(files.key()).parent_path().string();
  const auto missing = load_certificate(folder + "/none.pem", folder + "/none.key");
  CHECK(missing.certificate_error == folder + "/none.pem: cannot read the file: No such file or directory");
  CHECK(missing.key_error == folder + "/none.key: cannot read the file: No such file or directory");
  CHECK(load_certificate(folder, files.key()).certificate_error ==
        folder + ": cannot read the file: it is no regular file");
  const auto pipe = folder + "/pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(load_certificate(pipe, files.key()).certificate_error ==
        pipe + ": cannot read the file: it is no regular file");
  CHECK(load_certificate(files.certificate(), "/dev/zero").key_error ==
        "/dev/zero: cannot read the file: it is no regular file");
}

}  // namespace
}  // namespace sluice::serve
