// What counts as a credential, and how one is masked: every byte becomes 'x', but for the kind of
// credential in front ("Bearer ", "sk-proj-"), which tells who pays.
#ifndef SONDE_AGENT_CAPTURE_FILE_SECRETS_H_
#define SONDE_AGENT_CAPTURE_FILE_SECRETS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sonde::capture {

inline constexpr char kMaskByte = 'x';

/// How a header's value is treated. `name` in lower case.
enum class HeaderRule : uint8_t {
  kPlain,         ///< Kept, but for keys that stand in it and queries of URLs.
  kSecret,        ///< A credential.
  kSubprotocols,  ///< A list in which one entry may carry a key (Sec-WebSocket-Protocol).
};
HeaderRule RuleForHeader(std::string_view name);

/// Whether a query parameter carries a credential. `name` percent-decoded, in lower case.
bool IsSecretParameter(std::string_view name);

/// Masks one credential byte by byte; the pieces may come in any split, which at most costs the
/// kind.
class SecretValue {
 public:
  void Reset() { *this = SecretValue(); }
  /// The byte to store in place of `c`. `ahead` are the bytes behind it that are already there: a
  /// scheme or kind is kept only where it is seen whole, so that no byte of a key passes for one.
  char Mask(char c, std::string_view ahead);
  /// Whether a whole scheme ("bearer ") or kind of key ("sk-") has been seen: in a value that is
  /// not known to be secret, the rest is.
  bool IsCredential() const { return credential_; }
  /// The next bytes may still belong to a scheme or a kind of key.
  bool Open() const { return matching_; }

 private:
  static constexpr size_t kLongestPrefix = 24;
  bool Fits(bool* complete) const;
  size_t KnownLength(char c, std::string_view ahead) const;

  char seen_[kLongestPrefix] = {};
  uint8_t size_ = 0;
  uint8_t keep_left_ = 0;  ///< Bytes of a scheme or kind that were seen ahead.
  bool in_scheme_ = true;  ///< Schemes come once, in front of kinds.
  bool matching_ = true;
  bool credential_ = false;
};

/// Masks what looks like a credential in a command line: values of options, variables, headers and
/// query parameters with telling names, users in URLs, keys of known kinds. Same length.
std::string MaskCommandLine(std::string command_line);

/// Masks what may be text of a message in a command line: everything but the program, its options'
/// names, and the script or module that is run. Same length, blanks stay.
std::string MaskCommandText(std::string command_line);

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_SECRETS_H_
