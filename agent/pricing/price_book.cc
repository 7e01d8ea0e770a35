#include "agent/pricing/price_book.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/pricing/book.h"
#include "agent/pricing/book_merge.h"
#include "agent/pricing/book_reader.h"
#include "agent/pricing/embedded_book.h"
#include "agent/pricing/json_tree.h"

namespace sonde::pricing {
namespace {

constexpr size_t kMaxOverrideFiles = 256;
constexpr size_t kShortHash = 8;

/// Lower-case hex SHA-256 over the texts, each behind its length so that files cannot run together.
std::string HashOf(const std::vector<std::string_view>& texts) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  bool ok = context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1;
  for (const std::string_view text : texts) {
    const std::string length = absl::StrCat(text.size(), "\n");
    ok = ok && EVP_DigestUpdate(context, length.data(), length.size()) == 1 &&
         EVP_DigestUpdate(context, text.data(), text.size()) == 1;
  }
  ok = ok && EVP_DigestFinal_ex(context, digest.data(), &size) == 1;
  EVP_MD_CTX_free(context);
  if (!ok) return "";
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return absl::UnavailableError(absl::StrCat(path.string(), ": ", error.message()));
  if (size > kMaxBookBytes) {
    return ErrorAt(path.string(), 1, absl::StrCat("larger than ", kMaxBookBytes >> 20, " MiB"));
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text(size, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(size));
  if (!stream.good() && !stream.eof()) {
    return absl::UnavailableError(absl::StrCat(path.string(), ": ", std::strerror(errno)));
  }
  text.resize(static_cast<size_t>(std::max<std::streamsize>(stream.gcount(), 0)));
  return text;
}

}  // namespace

std::string_view UnitName(Unit unit) {
  switch (unit) {
    case Unit::kInput:
      return "input";
    case Unit::kCacheRead:
      return "cache_read";
    case Unit::kCacheWrite5m:
      return "cache_write_5m";
    case Unit::kCacheWrite1h:
      return "cache_write_1h";
    case Unit::kCacheWriteOther:
      return "cache_write_other";
    case Unit::kOutput:
      return "output";
    case Unit::kReasoning:
      return "reasoning";
    case Unit::kInputAudio:
      return "input_audio";
    case Unit::kCacheReadAudio:
      return "cache_read_audio";
    case Unit::kOutputAudio:
      return "output_audio";
    case Unit::kWebSearch:
      return "web_search";
    case Unit::kRequest:
      return "request";
    case Unit::kUncounted:
      return "uncounted";
  }
  return "unknown";
}

std::string_view MatchName(Match match) {
  switch (match) {
    case Match::kNone:
      return "none";
    case Match::kOverride:
      return "override";
    case Match::kExact:
      return "exact";
    case Match::kAlias:
      return "alias";
    case Match::kDateSuffix:
      return "date_suffix";
    case Match::kFamily:
      return "family";
    case Match::kInherited:
      return "inherited";
  }
  return "unknown";
}

std::string_view StatusName(CostStatus status) {
  switch (status) {
    case CostStatus::kProvider:
      return "provider";
    case CostStatus::kGateway:
      return "gateway";
    case CostStatus::kComputed:
      return "computed";
    case CostStatus::kPartial:
      return "partial";
    case CostStatus::kEstimated:
      return "estimated";
    case CostStatus::kUnpriced:
      return "unpriced";
  }
  return "unknown";
}

absl::StatusOr<std::shared_ptr<const PriceBook>> LoadPriceBook(
    const std::vector<BookSource>& overrides) {
  const BookSource embedded{.file = std::string(kEmbeddedBookName),
                            .text = std::string(EmbeddedBook())};
  absl::StatusOr<BookData> base = ReadBook(embedded, 0);
  if (!base.ok()) return base.status();
  BookData book;
  if (absl::Status status = MergeBook(embedded.file, *base, book); !status.ok()) return status;
  const std::string shipped_version = book.version;
  std::vector<std::string_view> texts = {EmbeddedBook()};
  int layer = 0;
  for (const BookSource& source : overrides) {
    absl::StatusOr<BookData> addition = ReadBook(source, ++layer);
    if (!addition.ok()) return addition.status();
    if (absl::Status status = MergeBook(source.file, *addition, book); !status.ok()) return status;
    texts.push_back(source.text);
  }
  std::string hash = HashOf(texts);
  if (hash.empty()) return absl::InternalError("SHA-256 is not available in this OpenSSL");
  // Amounts made with overrides must not pass for amounts of the shipped book.
  std::string version = shipped_version;
  if (!overrides.empty()) absl::StrAppend(&version, "+", hash.substr(0, kShortHash));
  std::shared_ptr<const PriceBook> made =
      std::make_shared<Book>(std::move(book), std::move(version), std::move(hash));
  return made;
}

absl::StatusOr<std::vector<BookSource>> ReadOverrideDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("price book directory ", directory, ": ", error.message()));
  }
  std::vector<std::filesystem::path> files;
  for (auto end = std::filesystem::directory_iterator(); entries != end; entries.increment(error)) {
    if (error) break;
    const std::filesystem::path& path = entries->path();
    // A ConfigMap shows its files as links into a hidden folder: links are followed, dots are not.
    if (path.extension() != ".json" || path.filename().string().front() == '.') continue;
    if (std::filesystem::is_regular_file(path, error)) files.push_back(path);
    if (files.size() > kMaxOverrideFiles) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "price book directory ", directory, ": more than ", kMaxOverrideFiles, " files"));
    }
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("price book directory ", directory, ": ", error.message()));
  }
  std::sort(files.begin(), files.end());
  std::vector<BookSource> sources;
  for (const std::filesystem::path& file : files) {
    absl::StatusOr<std::string> text = ReadFile(file);
    if (!text.ok()) return text.status();
    sources.push_back({.file = file.string(), .text = *std::move(text)});
  }
  return sources;
}

}  // namespace sonde::pricing
