//! Parts of WebKit that can be switched off: <https://webkitgtk.org/reference/webkit2gtk/stable/struct.Feature.html>.
#![expect(
    unsafe_code,
    reason = "no crate offers these functions (WebKitGTK 2.42 and later)"
)]

use std::ffi::{CStr, c_char, c_int, c_void};

use gtk::glib::object::ObjectType;
use webkit2gtk::Settings;

#[link(name = "webkit2gtk-4.1")]
unsafe extern "C" {
    fn webkit_settings_get_all_features() -> *mut c_void;
    fn webkit_settings_set_feature_enabled(settings: *mut c_void, feature: *mut c_void, enabled: c_int);
    fn webkit_feature_list_get_length(list: *mut c_void) -> usize;
    fn webkit_feature_list_get(list: *mut c_void, index: usize) -> *mut c_void;
    fn webkit_feature_list_unref(list: *mut c_void);
    fn webkit_feature_get_identifier(feature: *mut c_void) -> *const c_char;
}

/// Switches a part off for the pages with these settings. A part that this WebKit does not know is off anyway.
pub(super) fn switch_off(settings: &Settings, name: &CStr) {
    // SAFETY: the list is held until the end, its features live as long as it, and their names are C strings that live
    // as long as they. The settings outlive the call.
    unsafe {
        let list = webkit_settings_get_all_features();
        for index in 0..webkit_feature_list_get_length(list) {
            let feature = webkit_feature_list_get(list, index);
            if CStr::from_ptr(webkit_feature_get_identifier(feature)) == name {
                webkit_settings_set_feature_enabled(settings.as_ptr().cast(), feature, 0);
            }
        }
        webkit_feature_list_unref(list);
    }
}
