// Only so that Go takes this folder for a module; each tool has a module file of its own.
module _
