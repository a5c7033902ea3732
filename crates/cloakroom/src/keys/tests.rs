use super::*;

const NAME: SessionKey<String> = SessionKey::new("name");
static BORROWED: &SessionKey<String> = &NAME;
const CART: SessionKey<Vec<u32>> = SessionKey::new("cart");

fn read<T>(key: impl ReadKey<T>) -> String {
    AnyKey::name(&key).to_owned()
}

fn written<V: ?Sized>(key: impl WriteKey<V>, _value: &V) -> String {
    AnyKey::name(&key).to_owned()
}

#[test]
fn a_constant_is_read_as_its_own_type_and_a_string_as_any() {
    let owned = String::from("name");
    assert_eq!([read(NAME), read(BORROWED)], ["name"; 2]);
    assert_eq!([read::<u8>("name"), read::<String>(&owned), read::<Vec<u8>>(owned.clone())], ["name"; 3]);
}

#[test]
fn a_constant_takes_whatever_its_type_can_be_borrowed_as() {
    assert_eq!([written(NAME, "Ann"), written(BORROWED, &String::from("Ann"))], ["name"; 2]);
    assert_eq!([written(CART, &[1_u32][..]), written(CART, &vec![1_u32])], ["cart"; 2]);
}

#[test]
fn a_string_takes_values_of_any_type() {
    let owned = String::from("key");
    assert_eq!([written("key", &1), written(&owned, "text"), written(owned.clone(), &[1.5])], ["key"; 3]);
}

#[test]
fn a_key_is_copied_whether_its_type_can_be_or_not_and_shared_between_threads() {
    fn check(_: impl Copy + Send + Sync + 'static) {}
    check(SessionKey::<Box<dyn std::any::Any>>::new("any"));
    check(SessionKey::<std::rc::Rc<str>>::new("shared"));
    #[expect(clippy::clone_on_copy, reason = "this is what is tested")]
    let clone = CART.clone();
    assert_eq!(clone.name(), "cart");
}

#[test]
fn the_debug_form_of_a_key_is_its_name() {
    assert_eq!(format!("{NAME:?}"), r#"SessionKey("name")"#);
}
