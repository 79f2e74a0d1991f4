//! The one list of Composer's plugins; no other file names them.

use dxos_app::Plugin;
use dxos_client::Client;

/// All plugins around one client, in order of activation: what others build on comes first.
pub fn plugins(client: Client) -> Vec<Plugin> {
    vec![
        dxos_plugin_client::plugin(client),
        dxos_plugin_layout::plugin(),
        dxos_plugin_navtree::plugin(),
        dxos_plugin_markdown::plugin(),
        dxos_plugin_tasks::plugin(),
        dxos_plugin_space::plugin(),
        dxos_plugin_history::plugin(),
        dxos_plugin_theme::plugin(),
    ]
}
