#include "mom/codecs/item_files.h"

#include "mom/codecs/decode_command.h"

namespace mom::codecs {

std::vector<std::string> write_item(const Media& media, const ExternalCodec* external, const Path& folder,
                                    const std::string& name, const Decoding& decoding) {
  std::vector<std::string> names = {name + file_ending(static_cast<MediaKind>(media.index()))};
  publish_file(folder / names[0], to_file(media));
  if (!external || !decoding.run_commands || external->config().decode.empty()) return names;
  names.push_back(name + "." + external->config().decodes_to);
  run_decode_command(external->config().decode, folder / names[0], folder / names[1], decoding.limit_s);
  return names;
}

}  // namespace mom::codecs
